#!/usr/bin/env python
"""Interpedia's commands: up, work, ring, load, token, reproject, and Django's own."""

from __future__ import annotations

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    from django.core.management import execute_from_command_line

    from config import environment, keys

    keys.make_missing(environment.data_folder())
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
