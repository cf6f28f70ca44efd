// Beside each text of a built page, its gzipped twin, which merlin/api/assets.py sends to whoever accepts it.
// node compress.mjs FOLDER
import { readFileSync, readdirSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { constants, gzipSync } from 'node:zlib';

const TEXT = /\.(js|css|svg|json|ttf)$/;
const LEAST_BYTES = 1000; // below, one packet carries it anyhow

for (const name of readdirSync(process.argv[2], { recursive: true })) {
  const file = join(process.argv[2], name);
  if (!TEXT.test(name) || statSync(file).size < LEAST_BYTES) continue;
  // Whole or not at all: browsers keep for ever what they got of it.
  writeFileSync(`${file}.draft`, gzipSync(readFileSync(file), { level: constants.Z_BEST_COMPRESSION }));
  renameSync(`${file}.draft`, `${file}.gz`);
}
