"""The schema's version: what this program needs, what the database has, and the way from one to
the other under a lock.
"""
