// Parts of the console that are loaded when first wanted. One that does not come because the server is away is waited
// for, and comes when the server answers again; only one that a running server does not have is an error (lost.tsx).
import { lazy as lazily, type ComponentType } from 'react';

const GONE = /dynamically imported module|importing a module script|preload CSS/i;
const AGAIN_MS = 1_000;
const ANSWER_MS = 5_000;

/** Whether that is the browser's word for a file that it did not get. */
export const isGone = (problem: unknown): boolean => problem instanceof Error && GONE.test(problem.message);

let waiting = 0;
const watching = new Set<() => void>();
const wait = (by: 1 | -1) => {
  waiting += by;
  for (const tell of [...watching]) tell();
};

/** Whether something is waited for because the server is away; to be told of changes, watchWaiting. */
export const isWaiting = (): boolean => waiting > 0;

export function watchWaiting(tell: () => void): () => void {
  watching.add(tell);
  return () => watching.delete(tell);
}

async function answers(): Promise<boolean> {
  try {
    return (await fetch('/healthz', { cache: 'no-store', signal: AbortSignal.timeout(ANSWER_MS) })).ok;
  } catch {
    return false;
  }
}

/** Returns as soon as the server answers. */
export async function untilAnswered(): Promise<void> {
  if (await answers()) return;
  wait(1);
  do await new Promise((go) => setTimeout(go, AGAIN_MS));
  while (!(await answers()));
  wait(-1);
}

// Vite asks for each style once, and takes one that did not come for one that is there: it is asked for again here.
const missing = new Set<string>();
document.addEventListener(
  'error',
  ({ target }) => {
    if (!(target instanceof HTMLLinkElement) || target.rel !== 'stylesheet') return;
    missing.add(target.href);
    target.remove();
  },
  true,
);

async function styled(): Promise<void> {
  for (const href of missing) {
    await new Promise((done, fail) => {
      const onerror = () => fail(new Error(`Unable to preload CSS for ${href}`));
      document.head.append(
        Object.assign(document.createElement('link'), { rel: 'stylesheet', href, onload: done, onerror }),
      );
    });
    missing.delete(href);
  }
}

/** What is imported, however long the server is away. Throws what isGone knows when a running server has it not. */
export async function wanted<Part>(load: () => Promise<Part>): Promise<Part> {
  for (let answered = false; ; answered = true) {
    try {
      await styled();
      return await load();
    } catch (problem) {
      if (!isGone(problem) || (answered && (await answers()))) throw problem;
      await untilAnswered();
    }
  }
}

/** React's lazy, for parts of a page. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export const lazy = <Part extends ComponentType<any>>(load: () => Promise<{ default: Part }>) =>
  lazily(() => wanted(load));
