"""Files are read, written, listed and searched, each by one call."""

from tenuto import Meta, glob, grep, read, write

meta = Meta(name="step_files", description="A conformance case")


async def main():
    return [
        await read("a.txt"),
        await write("b.txt", "né\n"),
        await glob("src/**/*.ts"),
        await grep("TODO", "*.ts"),
        await grep("^x"),
    ]
