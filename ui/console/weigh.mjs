// The first page's weight over the wire: index.html and all that it names, gzipped. Fails above the promise.
import { readFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

const MOST_KB = 250;
const root = '../../merlin/static/console';
const home = /src\/pages\/home\/home\.tsx$/;

const manifest = JSON.parse(readFileSync(join(root, '.vite/manifest.json'), 'utf8'));
const files = new Set(['index.html', 'assets/color-scheme.js', 'assets/merlin.svg']);
const take = (key) => {
  const chunk = manifest[key];
  if (!chunk || files.has(chunk.file)) return;
  files.add(chunk.file);
  for (const css of chunk.css ?? []) files.add(css);
  for (const next of chunk.imports ?? []) take(next);
};
take('index.html');
take(Object.keys(manifest).find((key) => home.test(key)));

let total = 0;
for (const file of files) {
  if (!existsSync(join(root, file))) throw new Error(`${file} is not there: build first`);
  const size = gzipSync(readFileSync(join(root, file)), { level: 6 }).length;
  total += size;
  console.log(`${(size / 1000).toFixed(1).padStart(7)} kB  ${file}`);
}
console.log(`${(total / 1000).toFixed(1).padStart(7)} kB  the first page, gzipped (at most ${MOST_KB})`);
if (total > MOST_KB * 1000) process.exit(1);
