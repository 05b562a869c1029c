"""This module is `longshore completion`: the script that teaches a shell our commands and options."""

import click
from click.shell_completion import get_completion_class


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the shell's completion script.

    \b
    bash:  eval "$(longshore completion bash)"     in ~/.bashrc
    zsh:   eval "$(longshore completion zsh)"      in ~/.zshrc
    fish:  longshore completion fish > ~/.config/fish/completions/longshore.fish
    """  # noqa: D301 - click wants the character
    script = get_completion_class(shell)
    assert script is not None  # click brings all three
    click.echo(script(ctx.find_root().command, {}, "longshore", "_LONGSHORE_COMPLETE").source())
