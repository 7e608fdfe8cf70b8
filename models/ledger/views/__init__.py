"""Views: reports of broadcasts for people and programs; none of them writes."""
