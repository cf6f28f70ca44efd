import { Fragment, type ReactNode } from 'react';

/** Names and what they are, beside each other; those that are not known are left out. */
export function Facts({ facts }: { facts: [name: string, what: ReactNode][] }) {
  return (
    <dl className="facts">
      {facts
        .filter(([, what]) => what !== null && what !== undefined && what !== '')
        .map(([name, what]) => (
          <Fragment key={name}>
            <dt>{name}</dt>
            <dd>{what}</dd>
          </Fragment>
        ))}
    </dl>
  );
}
