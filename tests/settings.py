"""The site's settings under test: secrets that are fixed, cheap passwords, and a data folder that is thrown away.

Each process of a test run has its own of everything: a folder, on DATABASE_URL= a database (pytest-django's doing), on
REDIS_URL= a number.
"""

import atexit
import os
import shutil
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

if "TEST_DATA" not in os.environ:
    os.environ["TEST_DATA"] = tempfile.mkdtemp(prefix="interpedia-test-")
    atexit.register(shutil.rmtree, os.environ["TEST_DATA"], ignore_errors=True)
process = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
data = Path(os.environ["TEST_DATA"]) / process
data.mkdir(exist_ok=True)
os.environ.update(
    DATA=str(data),
    SECRET_KEY="not a secret, only for tests",
    EVIDENCE_SECRET="fixed, so that fresh draws are the same in every test",
    HUB="no",
)
if os.environ.get("REDIS_URL"):
    os.environ["REDIS_URL"] = urlsplit(os.environ["REDIS_URL"])._replace(path=f"/{1 + int(process)}").geturl()

from config.settings import *  # noqa: E402, F403 - the environment above must be there first

INSTALLED_APPS = ["tests", *INSTALLED_APPS]  # noqa: F405 - of config.settings; our `flush` stands before Django's
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
