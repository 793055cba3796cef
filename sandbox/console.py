"""What the sandbox tells the person at the terminal."""

import os
import sys
from collections.abc import Mapping

import click

from sandbox.service import Log


def say(text: str, *, bold: bool = False, colour: str | None = None) -> None:
    try:
        click.secho(text, bold=bold or None, fg=colour)
    except OSError:  # the terminal is gone; that must not keep us from stopping what we started
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def complain(text: str) -> None:
    click.secho(f"darkroom: {text}", fg="red", err=True)


def ready(name: str, seconds: float) -> None:
    say(f"  {name:<22} ready {seconds:5.1f} s", colour="green")


def death(name: str, outcome: str, log: Log) -> None:
    say(f"{name} {outcome}; its last lines, from {log.path}:", bold=True, colour="red")
    for line in log.last_lines():
        say(f"  | {line}")


def invitation(base_url: str, key: str, *, seconds: float) -> None:
    say(f"\nDarkroom is ready ({seconds:.1f} s).\n", bold=True, colour="green")
    say(f"  base URL   {base_url}\n  API key    {key}\n")
    say(_CURL.format(base_url=base_url, key=key))
    say(_PYTHON.format(base_url=base_url, key=key))


def places(dashboard: str, user: str, password: str, *, pages: Mapping[str, str], logs: str) -> None:
    say(f"  dashboard  {dashboard}, as {user} with {password}")
    for provider, page in pages.items():
        say(f"  {provider:<10} simulated, control page {page}/")
    say(f"  logs       {logs}\n\n  Ctrl-C stops everything.")


_PROMPT = "A serene mountain landscape at sunset"

_CURL = f"""\
  curl {{base_url}}/images/generations \\
    -H "Authorization: Bearer {{key}}" -H "Content-Type: application/json" \\
    -d '{{{{"model": "dall-e-3", "prompt": "{_PROMPT}"}}}}'
"""

_PYTHON = f"""\
  from openai import OpenAI
  client = OpenAI(api_key="{{key}}", base_url="{{base_url}}")
  print(client.images.generate(model="dall-e-3", prompt="{_PROMPT}").data[0].url)
"""
