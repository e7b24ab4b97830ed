export const meta = { name: "step_sh_check", description: "With check a command that fails throws, with the command, its exit code and the end of what it said." };
let message = "not thrown";
try {
  await sh("make", { check: true });
} catch (error) {
  message = error.message;
}
return [message, (await sh("true", { check: true })).exitCode];
