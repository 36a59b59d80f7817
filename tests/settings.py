"""The site's settings under test: secrets that are fixed, cheap passwords, and a data folder that is thrown away."""

import atexit
import os
import shutil
import tempfile

if "TEST_DATA" not in os.environ:  # the processes of one test run share it
    os.environ["TEST_DATA"] = tempfile.mkdtemp(prefix="interpedia-test-")
    atexit.register(shutil.rmtree, os.environ["TEST_DATA"], ignore_errors=True)
os.environ.update(
    DATA=os.environ["TEST_DATA"],
    SECRET_KEY="not a secret, only for tests",
    EVIDENCE_SECRET="fixed, so that fresh draws are the same in every test",
    HUB="no",
)

from config.settings import *  # noqa: F403 - the environment above must be there first

INSTALLED_APPS = ["tests", *INSTALLED_APPS]  # noqa: F405 - of config.settings; our `flush` stands before Django's
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
