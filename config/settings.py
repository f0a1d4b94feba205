"""Settings, all from the environment. `.env.example` lists every variable with its default."""

from pathlib import Path

import environ
from corsheaders.defaults import default_headers

from config.embedded import runfile
from config.logs import logging_config

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()
environ.Env.read_env(BASE_DIR / ".env")

ALMANAC_HOME = Path(env.str("ALMANAC_HOME", str(BASE_DIR / "var"))).absolute()
if not env.str("DATABASE_URL", ""):
    env.ENVIRON = {**runfile.running(ALMANAC_HOME), **env.ENVIRON}
# The local run: plain http on this machine, open sign-up, e-mail to the console.
LOCAL = env.bool("ALMANAC_LOCAL", False)

SECRET_KEY = env.str("SECRET_KEY")
DEBUG = env.bool("DEBUG", False)
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
CORS_ALLOWED_ORIGINS = env.list("CORS_ALLOWED_ORIGINS", default=[])
CORS_URLS_REGEX = r"^/api/"
CORS_ALLOW_HEADERS = [*default_headers, "idempotency-key", "if-none-match", "prefer", "x-request-id"]
CORS_EXPOSE_HEADERS = [
    *("ETag", "Location", "Preference-Applied", "Idempotent-Replayed", "Retry-After", "X-Request-ID"),
    *("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"),
]

INSTALLED_APPS = [
    "accounts",
    "predictions",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django.contrib.humanize",
    "allauth",
    "allauth.account",
    "corsheaders",
    "django_filters",
    "django_htmx",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
]
MIDDLEWARE = [
    "config.middleware.RequestIds",
    "predictions.api.middleware.Measured",
    "predictions.api.middleware.Problems",
    "config.middleware.Utf8Only",
    "config.middleware.Refusals",
    "django.middleware.security.SecurityMiddleware",
    "config.middleware.SafeHeaders",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "django_structlog.middlewares.RequestMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
APPEND_SLASH = True
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

DATABASES = {"default": env.db_url("DATABASE_URL")}
DATABASES["default"] |= {
    "ENGINE": "config.postgres",
    "CONN_MAX_AGE": 0,  # a closed connection goes back to the process's pool
    "OPTIONS": DATABASES["default"].get("OPTIONS", {})  # what the URL says, sslmode above all
    | {
        "connect_timeout": 2,
        "application_name": "almanac",
        "options": "-c statement_timeout=30s -c lock_timeout=5s -c idle_in_transaction_session_timeout=5s"
        " -c client_connection_check_interval=2s"  # who gave up waiting has left a statement behind
        " -c plan_cache_mode=force_generic_plan",  # config/postgres/prepared.py says why
    },
}
DATABASE_POOL_SIZE = env.int("DATABASE_POOL_SIZE", 32)
# Of our own clock, which a server that hangs cannot stop (config/postgres/deadline.py).
ACCEPT_SECONDS = 1.0  # with what a busy machine adds, 1.5
WEB_STATEMENT_SECONDS = 4.0
WORKER_STATEMENT_SECONDS = 15.0
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "cache",
        "OPTIONS": {"MAX_ENTRIES": 1_000_000},
    }
}

REDIS_URL = env.str("REDIS_URL")
CELERY_BROKER_URL = env.str("CELERY_BROKER_URL", REDIS_URL)
IDLE_LOOK_SECONDS = env.float("IDLE_LOOK_SECONDS", 0.25)
RINGS = env.bool("RINGS", True)
PREDICTION_TIMEOUT_SECONDS = env.float("PREDICTION_TIMEOUT_SECONDS", 60.0)
MODEL_LOAD_SECONDS = env.float("MODEL_LOAD_SECONDS", 120.0)
MODEL_MEMORY_LIMIT = env.str("MODEL_MEMORY_LIMIT", "")  # "2GiB"; empty: what the engine takes by default
MEMORY_BUDGET = env.str("MEMORY_BUDGET", "")
RUNNER_SPARES = env.list("RUNNER_SPARES", default=["used"])  # formats, "used", "none"
MICRO_BATCH_ROWS = env.int("MICRO_BATCH_ROWS", 64)
WORKER_METRICS_PORT = env.int("WORKER_METRICS_PORT", 0)
ARTIFACTS_DIR = Path(env.str("ARTIFACTS_DIR", str(ALMANAC_HOME / "artifacts")))
BATCHES_DIR = Path(env.str("BATCHES_DIR", str(ALMANAC_HOME / "batches")))
BATCH_SOURCES = env.str("BATCH_SOURCES", "")
BATCH_MAX_BYTES = env.int("BATCH_MAX_BYTES", 10_737_418_240)
BATCH_PART_ROWS = env.int("BATCH_PART_ROWS", 8_192)
WEB_THREADS = env.int("WEB_THREADS", 64)
MAX_WAITING = env.int("MAX_WAITING", 200_000)
MAX_WAITING_PER_USER = env.int("MAX_WAITING_PER_USER", 20_000)
WORKER_GRACE_SECONDS = env.float("WORKER_GRACE_SECONDS", 1.5 if LOCAL else 20.0)

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "home"
SIGNUP_OPEN = env.bool("SIGNUP_OPEN", LOCAL)
ACCOUNT_ADAPTER = "accounts.adapter.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email*", "password1*", "password2*"]
# Where nobody can sign up, an operator has given the addresses, and may have no mail server.
ACCOUNT_EMAIL_VERIFICATION = env.str("ACCOUNT_EMAIL_VERIFICATION", "mandatory" if SIGNUP_OPEN and not LOCAL else "none")
ACCOUNT_DEFAULT_HTTP_PROTOCOL = "http" if LOCAL else "https"
ACCOUNT_USERNAME_BLACKLIST = ["admin", "api", "demo", "root", "staff"]
ACCOUNT_SESSION_REMEMBER = True
# By account only as much as it takes to stop guessing: a stranger must not lock an owner out with a few tries.
ACCOUNT_RATE_LIMITS = {"login_failed": "10/m/ip,100/h/key"}
EMAIL_CONFIG = env.email_url("EMAIL_URL", default="consolemail://" if LOCAL else "smtp://localhost:25")
vars().update(EMAIL_CONFIG)
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", "almanac@localhost")

HTTPS = env.bool("HTTPS", not LOCAL)
SECURE_SSL_REDIRECT = HTTPS
SECURE_REDIRECT_EXEMPT = [r"^(healthz|readyz|metrics)$"]
BEHIND_PROXY = env.bool("BEHIND_PROXY", HTTPS)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if BEHIND_PROXY else None
ALLAUTH_TRUSTED_PROXY_COUNT = int(BEHIND_PROXY)  # or sign-in limits would count everyone as the proxy
SECURE_HSTS_SECONDS = env.int("HSTS_SECONDS", 31_536_000 if HTTPS else 0)
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = SECURE_HSTS_SECONDS > 0
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = FILE_UPLOAD_MAX_MEMORY_SIZE = 1_048_576
CONTENT_SECURITY_POLICY = {
    "default-src": "'self'",
    "img-src": "'self' data:",
    "object-src": "'none'",
    "base-uri": "'none'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
}

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_I18N = False
USE_TZ = True
STATIC_URL = "static/"
# The local run serves files from where they lie; whitenoise would miss a folder that nobody filled.
STATIC_ROOT = None if LOCAL else Path(env.str("STATIC_ROOT", str(BASE_DIR / "staticfiles")))
STATICFILES_DIRS = [BASE_DIR / "templates" / "static"]
WHITENOISE_USE_FINDERS = LOCAL
WHITENOISE_AUTOREFRESH = DEBUG
MANIFEST_STORAGE = "whitenoise.storage.CompressedManifestStaticFilesStorage"
PLAIN_STORAGE = "django.contrib.staticfiles.storage.StaticFilesStorage"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": PLAIN_STORAGE if LOCAL else MANIFEST_STORAGE},
}

SITE_URL = env.str("ALMANAC_URL", "").rstrip("/")
RATE_LIMIT_PER_MINUTE = env.int("RATE_LIMIT_PER_MINUTE", 100_000)
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "accounts.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["accounts.permissions.HasScope"],
    "DEFAULT_RENDERER_CLASSES": ["predictions.api.rendering.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["predictions.api.parsing.JSONParser"],
    "DEFAULT_THROTTLE_CLASSES": ["accounts.throttling.PerMinute"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "predictions.api.rendering.OwnFormatOnly",
    "EXCEPTION_HANDLER": "predictions.api.problems.problem_response",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Almanac",
    "DESCRIPTION": "Ask registered models for predictions; every one is kept.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
}

LOG_LEVEL = env.str("LOG_LEVEL", "ERROR" if LOCAL else "INFO")
LOGGING = logging_config(level=LOG_LEVEL)
DJANGO_STRUCTLOG_TRUST_UPSTREAM_REQUEST_ID = True  # RequestIds has seen to it
DJANGO_STRUCTLOG_IP_LOGGING_ENABLED = False
