"""Delivery: plans, drives lanes, polls results, posts webhooks; knows nothing of Celery."""
