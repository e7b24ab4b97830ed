"""With check a command that fails throws, with the command, its exit code and the end of what it said."""

from tenuto import Meta, sh

meta = Meta(name="step_sh_check", description="A conformance case")


async def main():
    message = "not raised"
    try:
        await sh("make", check=True)
    except RuntimeError as error:
        message = str(error)
    return [message, (await sh("true", check=True))["exit_code"]]
