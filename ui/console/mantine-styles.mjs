// The styles of just those components that src/ imports, and of what those are made of: a third of all of Mantine's.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const folder = 'node_modules/@mantine/core/styles';
// What others are made of, and what is there without a component.
const always = [
  'baseline', 'default-css-variables', 'global', 'ActionIcon', 'CheckboxIndicator', 'CloseButton', 'Combobox', 'Flex', 'FloatingIndicator',
  'Group', 'InlineInput', 'Input', 'Loader', 'ModalBase', 'Notification', 'Overlay', 'Paper', 'Pill', 'PillsInput', 'Popover', 'ScrollArea',
  'Stack', 'Text', 'UnstyledButton', 'VisuallyHidden',
]; // prettier-ignore

// The first page is all that stands around pages, and Home.
const isFirst = (name) => !/^pages\//.test(name) || name.startsWith('pages/home/');

/** The contents of two style sheets that import them in Mantine's own order: the first page's, and the others' besides. */
export function mantineStyles(src) {
  const first = usedBy(src, isFirst);
  for (const sheet of always) first.add(sheet);
  const others = usedBy(src, (name) => !isFirst(name));
  return [sheetOf([...first]), sheetOf([...others].filter((each) => !first.has(each)))];
}

function usedBy(src, wanted) {
  const used = new Set();
  const there = readdirSync(folder)
    .filter((name) => name.endsWith('.css') && !name.endsWith('.layer.css'))
    .map((name) => name.slice(0, -4));
  for (const name of readdirSync(src, { recursive: true })) {
    if (!/\.tsx?$/.test(name) || /\.test\./.test(name) || !wanted(name.replaceAll('\\', '/'))) continue;
    for (const [, names] of readFileSync(join(src, name), 'utf8').matchAll(
      /import \{([^}]*)\} from '@mantine\/core'/g,
    )) {
      const imported = names
        .split(',')
        .map((each) => each.trim().split(/\s/)[0])
        .filter(Boolean);
      for (const sheet of there) if (imported.some((each) => sheet.startsWith(each))) used.add(sheet);
    }
  }
  return used;
}

function sheetOf(used) {
  const whole = readFileSync('node_modules/@mantine/core/styles.css', 'utf8');
  const place = (sheet) => whole.indexOf(readFileSync(join(folder, `${sheet}.css`), 'utf8').slice(0, 80));
  const sheets = used.sort((one, other) => place(one) - place(other));
  return `/* Made by generate.mjs. Do not edit. */\n${sheets.map((each) => `@import '@mantine/core/styles/${each}.css';`).join('\n')}\n`;
}
