// Light or dark: what was chosen in the console, else what the system says; it follows both while the page is open.
import { useSyncExternalStore } from 'react';

const CHOSEN = 'mantine-color-scheme-value'; // where the console keeps it
const system = window.matchMedia('(prefers-color-scheme: dark)');

function current() {
  const chosen = localStorage.getItem(CHOSEN);
  if (chosen === 'light' || chosen === 'dark') return chosen;
  return system.matches ? 'dark' : 'light';
}

function follow(changed) {
  system.addEventListener('change', changed);
  window.addEventListener('storage', changed);
  return () => {
    system.removeEventListener('change', changed);
    window.removeEventListener('storage', changed);
  };
}

export function useScheme() {
  return useSyncExternalStore(follow, current);
}
