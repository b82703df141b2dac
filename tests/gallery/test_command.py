"""`python -m ddpm_jax lab`: its arguments, its files, and a figure that fails."""

import json

import pytest

from ddpm_jax.gallery import command

SMALL = ("--config.grid.num=241", "--config.density=mixture")


def run(folder, *arguments):
    return command.main([f"--out={folder}", *arguments])


def test_an_override_reaches_the_figure_and_the_page_shows_it(tmp_path, capsys):
    made = "--figures=deconvolution", "--config.deconvolution.alpha=0.8"
    assert run(tmp_path, *made, *SMALL) == 0
    out = capsys.readouterr().out
    assert out == f"1 of 1 figures made: {tmp_path / 'index.html'}\n"
    names = {file.name for file in tmp_path.iterdir()}
    files = {f"deconvolution.{end}" for end in ("json", "png", "svg")}
    assert names == files | {"index.html"}
    record = json.loads((tmp_path / "deconvolution.json").read_text())
    assert record["numbers"]["alpha"] == 0.8
    assert record["config"]["deconvolution"]["alpha"] == 0.8
    assert (tmp_path / "deconvolution.svg").stat().st_size < 500_000
    assert record["title"] in (tmp_path / "index.html").read_text()


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["--figures=melting,revers"], "--figures = 'revers' is not one of"),
        (["--figures=revers"], "Did you mean 'reverse'?"),
        (["--config.melting.alpha=0.8"], "unknown field config.melting.alpha. Did you"),
        (["--config.melting.alphas=2"], "config.melting.alphas = (2,)"),
        (["--config.reverse.points=a"], "config.reverse.points"),
        (["--config.grid.num=many"], "grid.num"),
        (["--config.density=samples"], "config.samples.file = ''"),
        (["melting"], "'melting' is not a flag"),
        (["--nosuch=1"], "nosuch"),
    ],
)
def test_a_wrong_argument_is_told_in_one_line(tmp_path, arguments, said, capsys):
    assert run(tmp_path / "new", *arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and said in error and error.count("\n") == 1
    assert not (tmp_path / "new").exists()


def test_a_stop_says_what_the_same_command_does(tmp_path, monkeypatch, capsys):
    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(command.album, "make", stopped)
    assert run(tmp_path, "--figures=melting", *SMALL) == 130
    error = capsys.readouterr().err
    assert "makes all of them again" in error and "goes on from" not in error


def test_a_folder_is_needed(capsys):
    assert command.main([]) == 2
    assert "--out" in capsys.readouterr().err


def test_help_lists_figures_and_fields(capsys):
    with pytest.raises(SystemExit, match="0"):
        command.main(["--help"])
    out = capsys.readouterr().out
    assert "melting" in out and "--config.melting.alphas=(0.6, 0.9)" in out
    assert "--out DIR" in out
