"""The options of the commands come from the settings: names, defaults, ranges and headings."""

import re
from dataclasses import dataclass, fields
from pathlib import Path

import pytest
import typer
from command_line import COMMANDS, call, failed

from reid_al_agents.annotate.settings import AnnotationSettings
from reid_al_agents.cli import options as opt
from reid_al_agents.cli.app import app
from reid_al_agents.workspace.settings import RunConfig
from reid_al_env import InputError
from reid_al_env.settings import check, field_of, fields_of, setting

ROOT = Path(__file__).parents[2]
OFFERED = [field.name for field in fields_of(RunConfig) if field.name != "evaluate_on"]


@dataclass(frozen=True)
class Tea:
    """Settings of a command that exists only here."""

    leaves: str = setting(help="Leaves", option="LEAVES")
    minutes: int = setting(3, help="Time", unit="minutes", at_least=1, at_most=10, panel="Training")
    sugar: float | None = setting(None, help="Sugar", default_help="as it comes", panel="Asking")
    pot: tuple[int, int] = setting((20, 10), help="Pot", at_least=1, panel="Model", metavar="HIGHxWIDE")
    lid: bool = setting(True, help="Cover it", panel="Model")
    iced: bool = setting(False, help="Cool it", panel="Research", research=True)
    kind: str = setting("black", help="Kind", choices=("black", "green"), panel="Data")

    def __post_init__(self) -> None:
        check(self)


@pytest.fixture
def brew():
    """Run the command with arguments; what it was given."""
    given = {}

    @opt.takes(typed=opt.options(Tea))
    def tea(typed: opt.Typed, json: opt.Json = False) -> None:
        given.update(typed=typed, json=json, tea=Tea(**typed))

    program = typer.Typer()
    program.command()(tea)
    command = typer.main.get_command(program)

    def run(*arguments):
        with command.make_context("tea", list(arguments)) as context:
            command.invoke(context)
        return given

    return run


def test_only_what_was_typed_is_given_and_the_rest_keeps_its_default(brew):
    given = brew("oolong")
    assert (given["typed"], given["json"]) == ({"leaves": "oolong"}, False)
    assert given["tea"] == Tea("oolong")


def test_every_kind_of_value(brew):
    typed = ["--minutes", "3", "--sugar", "0.5", "--pot", "8x9", "--no-lid", "--iced", "--kind", "green"]
    assert brew("oolong", *typed, "--json")["tea"] == Tea("oolong", 3, 0.5, (8, 9), False, True, "green")


def test_a_value_that_equals_the_default_counts_as_typed(brew):
    assert brew("oolong", "--minutes", "3", "--lid")["typed"] == {
        "leaves": "oolong",
        "minutes": 3,
        "lid": True,
    }


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--minutes", "11"], "--minutes: 11 is out of range; expected 1 to 10, in minutes"),
        (["--pot", "8"], "--pot: '8' is not HIGHxWIDE, whole numbers with x between"),
        (["--pot", "0x8"], "--pot: (0, 8) is out of range; expected at least 1"),
        (["--pot", "ax8"], "--pot: 'ax8' is not HIGHxWIDE, whole numbers with x between"),
        (["--kind", "red"], "--kind: 'red' is unknown; choose one of black, green"),
        (["--sugar", "nan"], "--sugar: nan is out of range; expected a finite number"),
    ],
    ids=lambda value: "-".join(value).lstrip("-") if isinstance(value, list) else "",
)
def test_an_error_names_the_option(brew, arguments, words):
    with pytest.raises(InputError) as refused:
        brew("oolong", *arguments)
    assert str(refused.value) == words


def shown_by(command):
    code, shown, told = call(command, "--help")
    assert (code, told) == (0, "")
    return shown


@pytest.fixture(autouse=True)
def wide(monkeypatch):
    monkeypatch.setenv("COLUMNS", "250")  # so that no line is broken
    monkeypatch.setattr("typer.rich_utils.MAX_WIDTH", 250)


@pytest.mark.parametrize("command", COMMANDS)
def test_headings_come_in_their_order(command):
    headings = re.findall(r"^╭─ (\w+) ─", shown_by(command), flags=re.MULTILINE)
    wanted = [name for name in ("Arguments", *opt.PANELS) if name in headings]
    assert headings == wanted


def test_commands_are_listed():
    shown = shown_by("--help")
    assert all(re.search(rf"^│ {command} ", shown, flags=re.MULTILINE) for command in COMMANDS)


@pytest.mark.parametrize("name", OFFERED)
def test_run_offers_every_setting_with_its_default_and_its_range(name):
    field = field_of(RunConfig, name)
    lines = shown_by("run").splitlines()
    (line,) = (line for line in lines if re.match(rf"│ +{field.option}(?![\w-])", line))
    assert field.setting.help in line
    if field.setting.at_most is not None or field.type is float:
        assert field.setting.allowed in line
    assert field.setting.default_help in line
    if (
        isinstance(field.default, int | float)
        and not field.setting.default_help
        and field.default is not False
    ):
        assert f"default {'on' if field.default is True else opt.as_text(field.default)}" in line
    for choice in field.choices:
        assert choice in line


@pytest.mark.parametrize("settings", [RunConfig, AnnotationSettings])
def test_every_setting_says_what_it_is(settings):
    for field in fields_of(settings):
        assert field.setting.help, field.name
        assert field.setting.research or field.setting.panel in opt.PANELS, field.name


def test_settings_that_are_the_environment_s_are_written_once():
    from reid_al_env import EpisodeSettings

    for field in fields(EpisodeSettings):
        if field.name in OFFERED:
            assert (
                field_of(RunConfig, field.name).setting.help
                == field_of(EpisodeSettings, field.name).setting.help
            )


PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md")), *sorted(ROOT.glob("benchmarks/*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=[path.name for path in PAGES])
def test_commands_on_the_pages_have_the_options_that_are_shown(page):
    program = typer.main.get_command(app)
    text = re.sub(r"\\\n\s*", " ", page.read_text(encoding="utf-8"))
    for name, rest in re.findall(r"reid-al ([a-z]+)\b([^\n`]*)", text):
        if name in program.commands:
            parameters = program.commands[name].params
            known = {"--help"}.union(*(item.opts + item.secondary_opts for item in parameters))
            assert set(re.findall(r"(?<!\S)--[a-z0-9-]+", rest)) <= known, f"reid-al {name}{rest}"


@pytest.mark.parametrize(
    ("words", "command"),
    [(("add", "week2", "--to", "s", "--backbone", "x"), "reid-al add"), (("nothing",), "reid-al")],
)
def test_a_mistyped_option_leads_to_the_help_of_its_command(words, command):
    assert failed(*words).endswith(f"(see {command} --help)")
