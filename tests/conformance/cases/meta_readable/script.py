"""A script can read its own meta."""

from tenuto import Meta

meta = Meta(
    name="meta_readable",
    description="A conformance case",
    phases=["One", "Two"],
    when_to_use="""a template
of two lines""",
)


async def main():
    return [meta.name, list(meta.phases)]
