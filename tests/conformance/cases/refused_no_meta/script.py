"""meta = Meta(name="x", description="only mentioned here")"""


async def main():
    return 1
