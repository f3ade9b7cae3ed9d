"""What is counted."""

from django.db import models


class Visit(models.Model):
    """One visit."""

    at = models.DateTimeField(auto_now_add=True)
