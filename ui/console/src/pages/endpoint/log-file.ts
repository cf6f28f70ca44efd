// A log as a file: with the older lines that the page did not read, as far as the API gives them.
import { useEffect, useRef, useState } from 'react';
import type { Problem } from '@/graphql/problem';
import { notify } from '@/shell/notices';
import type { Of } from './endpoint';
import { MOST_LINES, readPage, type LogLine, type LogStream, type Wanted } from './log-stream';

type Asked = Pick<Wanted, 'id' | 'previous' | 'pod' | 'search'>;

/** `save` writes the file, and says so where lines may be missing; else `problem` says why there is none. */
export function useLogFile(of: Of, asked: Asked, { lines, partial, cut }: LogStream) {
  const [state, setState] = useState<{ busy: boolean; problem?: Problem }>({ busy: false });
  const stop = useRef(() => {});
  useEffect(() => () => stop.current(), []);
  const isShort = partial && lines.length < MOST_LINES;
  const save = () => {
    if (!isShort) return write(of, lines, partial || cut);
    setState({ busy: true });
    stop.current = readPage(
      { ...asked, tail: MOST_LINES, after: null },
      (page) => {
        setState({ busy: false });
        write(of, page.lines, page.lines.length >= MOST_LINES);
      },
      (problem) => setState({ busy: false, problem }),
    );
  };
  return { ...state, save };
}

function write(of: Of, lines: LogLine[], isCut: boolean): void {
  const text = lines.map((line) => `${line.at} ${line.pod} ${line.container} ${line.text}\n`).join('');
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([text], { type: 'text/plain' }));
  link.download = `${of.project}-${of.model}-${of.number}-${of.environment}.log`;
  link.click();
  URL.revokeObjectURL(link.href);
  if (isCut) notify(`The file holds the last ${lines.length.toLocaleString('en')} lines. There may be older ones.`);
}
