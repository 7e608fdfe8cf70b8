"""The images and docker-compose.yml, with a real Docker."""
