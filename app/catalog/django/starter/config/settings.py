"""Settings, from the environment."""

import os
from pathlib import Path
from urllib.parse import urlsplit

import dj_database_url

BASE_DIR = Path(__file__).resolve().parent.parent
DEBUG = os.environ.get("STAGE") == "development"
SECRET_KEY = os.environ.get("DJANGO_SECRET_KEY") or "only-for-tests"
# The edge forwards only this deployment's own host names.
ALLOWED_HOSTS = ["*"]
CSRF_TRUSTED_ORIGINS = [url for url in [os.environ.get("APP_PUBLIC_URL", "")] if urlsplit(url).scheme]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

INSTALLED_APPS = ["visits"]
MIDDLEWARE = ["django.middleware.security.SecurityMiddleware", "django.middleware.common.CommonMiddleware"]
ROOT_URLCONF = "config.urls"
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
WSGI_APPLICATION = "config.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True

# Without a database add-on the count lives as long as this container.
DATABASES = {"default": dj_database_url.config(default="sqlite:////tmp/visits.sqlite3")}
