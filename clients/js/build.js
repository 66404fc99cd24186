// Makes the scripts that browsers load: into the service's own package, which serves them, or into the folder that is named.
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { build } from "esbuild";

const HERE = new URL("./", import.meta.url);
export const SERVED = new URL("../../app/clients/static/", HERE);

/** Private methods and fields (#…) are from 2021; they need no renaming to be short. */
const TARGET = "es2022";

/** [name, text] of the classic script and of the module. */
export async function scripts() {
  const { version } = JSON.parse(await readFile(new URL("package.json", HERE)));
  const make = async (name, entry, format) => {
    const { outputFiles } = await build({
      entryPoints: [new URL(entry, HERE).pathname],
      banner: { js: `// grouparoo-events ${version}` },
      bundle: true,
      format,
      minify: true,
      target: TARGET,
      write: false,
    });
    return [name, outputFiles[0].text];
  };
  return Promise.all([make("grouparoo.js", "src/classic.js", "iife"), make("grouparoo.mjs", "src/index.js", "esm")]);
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
  const folder = process.argv[2] ? new URL(`${process.argv[2]}/`, HERE) : SERVED;
  await mkdir(folder, { recursive: true });
  for (const [name, text] of await scripts()) await writeFile(new URL(name, folder), text);
}
