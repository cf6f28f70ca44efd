// Who, what, since when: in the address, as the timeline's are.
import { Autocomplete, Group, MultiSelect, TextInput } from '@mantine/core';
import { useEffect, useMemo, useState } from 'react';
import { START, useAddress, type Changes } from '@/parts/address';

// What begins with it, as the API takes it.
const kinds = [
  { value: 'deployment.', label: 'Deploys' },
  { value: 'endpoint.', label: 'Undeploys' },
  { value: 'traffic.', label: 'Traffic' },
  { value: 'version.', label: 'Versions' },
  { value: 'model.', label: 'Models' },
  { value: 'project.', label: 'The project' },
  { value: 'secret.', label: 'Secrets' },
];

export const NO_FILTER: Changes = { who: null, what: null, since: null, until: null };

/** The first moment of a day here, as `2026-11-25` says it, or of one some days later. */
export function momentOf(day: string | null, later = 0): string | null {
  const parts = /^(\d{4})-(\d\d)-(\d\d)$/.exec(day ?? '');
  if (!parts) return null;
  const [year, month, date] = parts.slice(1).map(Number) as [number, number, number];
  const moment = new Date(year, month - 1, date + later);
  return moment.getFullYear() >= 1970 && moment.getFullYear() <= 9999 ? moment.toISOString() : null;
}

export function useAuditFilter() {
  const { one, all } = useAddress();
  return useMemo(() => {
    const what = all('what');
    const filter = {
      actor: one('who') || null,
      actions: what.length > 0 ? what : null,
      since: momentOf(one('since')),
      until: momentOf(one('until'), 1),
    };
    return { filter, filtered: Object.values(filter).some((each) => each !== null) };
  }, [one, all]);
}

export function AuditFilters({ people }: { people: string[] }) {
  const { one, all, set } = useAddress();
  const what = all('what');
  return (
    <Group gap="sm" align="flex-end">
      <Who who={one('who') ?? ''} people={people} onWho={(who) => set({ who, ...START })} />
      <MultiSelect
        label="What"
        placeholder={what.length === 0 ? 'All acts' : undefined}
        miw={220}
        maw={480}
        data={kinds}
        value={what}
        onChange={(next) => set({ what: next, ...START })}
        clearable
      />
      <Day label="From" value={one('since')} onDay={(since) => set({ since, ...START }, { replace: true })} />
      <Day label="To" value={one('until')} onDay={(until) => set({ until, ...START }, { replace: true })} />
    </Group>
  );
}

/** One of the known, or any other whole name and Enter. */
function Who(props: { who: string; people: string[]; onWho: (who: string) => void }) {
  const [text, setText] = useState(props.who);
  useEffect(() => setText(props.who), [props.who]);
  const choose = (who: string) => who.trim() !== props.who && props.onWho(who.trim());
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        choose(text);
      }}
    >
      <Autocomplete
        label="Who"
        placeholder="Anybody"
        w={200}
        data={props.people}
        value={text}
        onChange={setText}
        onOptionSubmit={choose}
        onClear={() => choose('')}
        onBlur={() => choose(text)}
        clearable
        autoComplete="off"
        spellCheck={false}
      />
    </form>
  );
}

function Day({ label, value, onDay }: { label: string; value: string | null; onDay: (day: string) => void }) {
  return (
    <TextInput
      type="date"
      label={label}
      value={value ?? ''}
      onChange={(event) => onDay(event.currentTarget.value)}
      w={150}
    />
  );
}
