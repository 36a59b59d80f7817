"""A missing program is a counted skip at home and a failure in continuous integration."""

import pytest

from tests.programs import Program, main, path_of, require

NONESUCH = Program(marker="nonesuch", commands=("nonesuch",), package="nonesuch")


def test_without_the_program_a_test_is_skipped(monkeypatch):
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="nonesuch is not installed"):
        require(NONESUCH)


def test_without_the_program_a_test_fails_in_continuous_integration(monkeypatch):
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="nothing is skipped"):
        require(NONESUCH)


def test_with_the_program_its_path_is_given(monkeypatch):
    monkeypatch.setenv("CI", "true")
    assert require(Program(marker="shell", commands=("nonesuch", "sh"), package="dash")).endswith("/sh")


def test_off_the_path_the_newest_is_found(tmp_path):
    for version in ("9.6", "15", "14"):
        command = tmp_path / version / "bin" / "nonesuch"
        command.parent.mkdir(parents=True)
        command.touch(mode=0o755)
    program = Program(marker="nonesuch", commands=("nonesuch",), package="nonesuch", folders=(f"{tmp_path}/*/bin",))
    assert path_of(program) == str(tmp_path / "15/bin/nonesuch")


def test_an_ordinary_user_is_told_in_one_line_what_is_missing(monkeypatch, capsys):
    monkeypatch.setattr("tests.programs.PROGRAMS", (NONESUCH,))
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    main()
    assert capsys.readouterr().out == "Not installed: nonesuch. Tests that need it will be skipped and counted.\n"
