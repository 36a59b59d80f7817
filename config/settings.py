"""Settings, from the environment only. Importing this module reads; it makes and changes nothing.

DATA=            folder of the database, mail, broker and secrets (data)
HOST=, PORT=     where the site listens (127.0.0.1, 8000)
MODELS=          folders with checkpoints beside fixtures/models, separated by ':'
FIXTURES=        folder whose documents are published at every start (fixtures)
HUB=             no: workers fetch no registered models from the model hub
DEVICE=          what workers measure on (cpu; cuda)
WORKER_MEMORY=   MiB a run may take there, instead of most of what there is
WORKER_SPEED=    GFLOP/s that even a busy worker reaches; deadlines follow from it (5)
RUN_DEADLINE=    seconds after which a run is stopped, whatever it costs (86400)
RUN_COST=        TFLOP that one run may take (10000; 0: no limit)
QUOTA_PERSON=    TFLOP of runs that a person may ask for in a day (50000; 0: no limit)
QUOTA_AGENT=     of those, through any one of their tokens (20000; 0: no limit)
LEASE=           seconds without a sign of life until a run is given to another worker (30)
DATABASE_URL=    PostgreSQL instead of SQLite
REDIS_URL=       Redis instead of the broker in DATA
SECRET_KEY=, EVIDENCE_SECRET=  instead of the ones made in DATA
ALLOWED_HOSTS=   names the site answers to, separated by commas
ORIGIN=          https://… where it stands behind a proxy that speaks TLS
EMAIL_URL=       smtp://…; mail goes to files in DATA without it
LOG_FORMAT=      text for people (the default), json for machines
METRICS_TOKEN=   what Prometheus sends to read /metrics; without it, whoever asks from this machine, and stewards
SENTRY_DSN=      errors go to this Sentry project
DEBUG=           yes for tracebacks in the browser
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import environ
from csp.constants import NONE, SELF

from config import environment, keys, observing

BASE_DIR = Path(__file__).resolve().parent.parent
DATA = environment.data_folder()
HOST = environment.text("HOST", "127.0.0.1")
PORT = environment.whole_number("PORT", 8000, 1, 65_535)
DATABASE_URL = environment.text("DATABASE_URL", "")
REDIS_URL = environment.text("REDIS_URL", "")
ORIGIN = environment.text("ORIGIN", "")

DEBUG = environment.flag("DEBUG", False)
SECRET_KEY = environment.text("SECRET_KEY", "") or keys.stored(DATA, keys.SECRET_KEY)
ALLOWED_HOSTS = environment.names("ALLOWED_HOSTS", ("127.0.0.1", "localhost", "[::1]"))
CSRF_TRUSTED_ORIGINS = [ORIGIN] if ORIGIN else []

# Evidence
EVIDENCE_SECRET = environment.text("EVIDENCE_SECRET", "") or keys.stored(DATA, keys.EVIDENCE_SECRET)
FIXTURES = environment.folder("FIXTURES", BASE_DIR / "fixtures")
MODELS = environment.folders("MODELS", (BASE_DIR / "fixtures" / "models",))
HUB = environment.flag("HUB", True)
DEVICE = environment.text("DEVICE", "cpu")
WORKER_MEMORY = environment.whole_number("WORKER_MEMORY", 0, 0, 100_000_000)  # MiB; 0: most of what there is
WORKER_SPEED = environment.whole_number("WORKER_SPEED", 5, 1, 10_000_000)  # GFLOP/s that even a busy worker reaches
RUN_DEADLINE = environment.whole_number("RUN_DEADLINE", 86_400, 1, 10_000_000)  # seconds, whatever a run costs
RUN_COST = environment.whole_number("RUN_COST", 10_000, 0, 1_000_000_000)  # TFLOP one run may take; 0: no limit
QUOTA_PERSON = environment.whole_number("QUOTA_PERSON", 50_000, 0, 1_000_000_000)  # TFLOP a day; 0: no limit
QUOTA_AGENT = environment.whole_number("QUOTA_AGENT", 20_000, 0, 1_000_000_000)  # of that, through any one token
LEASE = environment.whole_number("LEASE", 30, 2, 3_600)  # seconds without a heartbeat until a run counts as lost
HEARTBEAT = LEASE / 6  # seconds between heartbeats
ATTEMPTS = 3  # times a run is begun until it counts as errored
CONTENT_LICENCE = "CC BY 4.0"

INSTALLED_APPS = [
    "config",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "wiki",  # before allauth: its templates for accounts are ours
    "allauth",
    "allauth.account",
    "csp",
    "django_filters",
    "django_htmx",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "knox",
    "rest_framework",
    "api",
]
MIDDLEWARE = [
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    "config.observing.request_context",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.middleware.gzip.GZipMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "django_prometheus.middleware.PrometheusAfterMiddleware",
]
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
ASGI_APPLICATION = "config.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# Database. IMMEDIATE: a transaction that will write waits its turn at the start instead of failing in the middle.
# No ATOMIC_REQUESTS: with IMMEDIATE every page view would take the write lock.
EMBEDDED_DATABASE: dict[str, Any] = {
    "ENGINE": "django.db.backends.sqlite3",
    "NAME": str(DATA / "interpedia.sqlite3"),
    "CONN_MAX_AGE": None,
    "OPTIONS": {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        # recursive_triggers: what REPLACE removes is looked at by the triggers too (wiki/triggers.py)
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-32000;"
        " PRAGMA recursive_triggers=ON;",
    },
}
# A network that is cut, and a process that is stopped in the middle of a transaction, must not hold others up for long.
CONNECTION: dict[str, Any] = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
    "options": "-c idle_in_transaction_session_timeout=120s -c lock_timeout=60s",
}


def _served(url: str) -> dict[str, Any]:
    told = environ.Env.db_url_config(url)
    options = CONNECTION | told.get("OPTIONS", {})
    return told | {"CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True, "OPTIONS": options}


DATABASES: dict[str, Any] = {"default": _served(DATABASE_URL) if DATABASE_URL else EMBEDDED_DATABASE}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
SHARED_CACHE: dict[str, Any] = {
    "BACKEND": "django_redis.cache.RedisCache",
    "LOCATION": REDIS_URL,
    # without Redis nothing is remembered, and everything else goes on
    "OPTIONS": {
        "SOCKET_CONNECT_TIMEOUT": 1,
        "SOCKET_TIMEOUT": 1,
        "IGNORE_EXCEPTIONS": True,
        "SERIALIZER": "django_redis.serializers.json.JSONSerializer",  # not pickle: it runs code it reads
    },
}
OWN_CACHE: dict[str, Any] = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
CACHES: dict[str, Any] = {
    "default": SHARED_CACHE if REDIS_URL else OWN_CACHE,
    "process": OWN_CACHE | {"LOCATION": "process", "OPTIONS": {"MAX_ENTRIES": 2_000}},  # what is no JSON and never old
}

# People
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_USERNAME_BLACKLIST = ["interpedia", "steward", "admin", "anonymous"]
ACCOUNT_LOGOUT_ON_GET = False
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/"
ACCOUNT_LOGOUT_REDIRECT_URL = "/"
EMAIL_URL = environment.text("EMAIL_URL", "")
if EMAIL_URL:
    vars().update(environ.Env.email_url_config(EMAIL_URL))
else:
    EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    EMAIL_FILE_PATH = str(DATA / "mail")

# Language and static files. Served from where they lie: nothing to collect before a start.
LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_I18N = False
USE_TZ = True
STATIC_URL = "static/"
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = DEBUG

# Security
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if ORIGIN.startswith("https://") else None
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = ORIGIN.startswith("https://")
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = 4 * 1024 * 1024
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "object-src": [NONE],
        "manifest-src": [SELF],
    },
}

# API
REST_FRAMEWORK = {
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "knox.auth.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticatedOrReadOnly"],
    "DEFAULT_PAGINATION_CLASS": "rest_framework.pagination.CursorPagination",
    "PAGE_SIZE": 50,
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_THROTTLE_CLASSES": [
        "rest_framework.throttling.AnonRateThrottle",
        "rest_framework.throttling.UserRateThrottle",
    ],
    "DEFAULT_THROTTLE_RATES": {"anon": "600/min", "user": "1200/min"},
    "NUM_PROXIES": 1 if ORIGIN else 0,  # whose word on the client's address counts
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "api.problems.handler",
    "DEFAULT_VERSIONING_CLASS": None,
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
REST_KNOX = {
    "TOKEN_TTL": timedelta(days=365),
    "AUTO_REFRESH": False,
    "TOKEN_LIMIT_PER_USER": 20,
    "AUTH_HEADER_PREFIX": "Token",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Interpedia",
    "DESCRIPTION": "Findings of mechanistic interpretability, re-checked on the real models.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
}

# Watching it run
LOGGING = observing.logging_settings(environment.text("LOG_FORMAT", "text"))
METRICS_TOKEN = environment.text("METRICS_TOKEN", "")
SENTRY_DSN = environment.text("SENTRY_DSN", "")
