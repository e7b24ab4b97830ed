"""A step that the policy refuses, or that leaves the workspace, throws; the run goes on when it is caught."""

from tenuto import Meta, failures, read, sh

meta = Meta(name="step_refused", description="A conformance case")


async def main():
    caught = []
    for step in (lambda: sh("curl x"), lambda: read("../x")):
        try:
            await step()
        except RuntimeError as error:
            caught.append(str(error))
    return [*caught, failures()]
