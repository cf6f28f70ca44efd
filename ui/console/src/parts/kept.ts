import { useEffect } from 'react';
import { keep } from '@/shell/leaving';

/** For a dialog: once something is typed in it no slip (Escape, a click beside it) closes it, and no reload goes unasked. */
export function useKept(typed: boolean): { closeOnEscape: boolean; closeOnClickOutside: boolean } {
  useEffect(() => (typed ? keep() : undefined), [typed]);
  return { closeOnEscape: !typed, closeOnClickOutside: !typed };
}
