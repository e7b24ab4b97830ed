export const meta = { name: "step_files", description: "Files are read, written, listed and searched, each by one call." };
const text = await read("a.txt");
const written = await write("b.txt", "né\n");
return [text, written === undefined ? null : written, await glob("src/**/*.ts"), await grep("TODO", "*.ts"), await grep("^x")];
