"""Exhibits: stored verdicts, runs and circuits in the form that pages show them. Nothing is judged here."""
