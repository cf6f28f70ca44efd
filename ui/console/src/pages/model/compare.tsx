// Two to five versions beside each other: differences first.
import { Anchor, Box, Group, Stack, Switch, Table, Text } from '@mantine/core';
import type { ReactNode } from 'react';
import { Link } from 'react-router';
import { ModelCompareDocument, type ModelCompareQuery } from '@/graphql/generated';
import { useLiveQuery } from '@/graphql/live';
import { useAddress } from '@/parts/address';
import { Chip } from '@/parts/chips';
import { Empty } from '@/parts/empty';
import { byEnvironment } from '@/parts/environments';
import { ErrorPanel } from '@/parts/problems';
import { figure, moreDigitsFor } from '@/parts/quantity';
import { EndpointBadge } from '@/parts/status';
import { When } from '@/parts/when';
import { paths } from '@/paths';
import { Loading } from '@/shell/loading';
import type { Of } from './model';
import { addressOf, numbersOf } from './chosen';
import { lineOf, parseRequirement, rowsOf, stretchOf, type Line, type Row } from './differences';
import './compare.css';

type Version = NonNullable<ModelCompareQuery['model']>['versions']['nodes'][number];

export default function Compare({ project, model }: Of) {
  const address = useAddress();
  const numbers = numbersOf(address.all('v'));
  const onlyDifferent = address.one('only') === 'different';
  const [{ data, error }, again] = useLiveQuery(
    ModelCompareDocument,
    { project, model, numbers },
    { project, model },
    { pause: numbers.length < 2 },
  );
  if (numbers.length < 2)
    return (
      <div className="panel">
        <Empty title="Choose two to five versions">
          Tick them in the first column of the{' '}
          <Anchor component={Link} size="sm" to={`${paths.model(project, model)}?${addressOf(numbers)}`}>
            list of versions
          </Anchor>
          , then press Compare.
        </Empty>
      </div>
    );
  if (error && !data?.model) return <ErrorPanel error={error} again={again} />;
  if (!data) return <Loading />;
  const versions = numbers.flatMap((number) => data.model?.versions.nodes.find((each) => each.number === number) ?? []);
  const places = versions.flatMap((version) => version.endpoints.nodes.map((endpoint) => endpoint.environment.name));
  const several = new Set(places).size > 1;
  const missing = numbers.filter((number) => !versions.some((each) => each.number === number));
  if (versions.length === 0)
    return (
      <div className="panel">
        <Empty title={thereIsNo(missing)}>
          Choose others in the{' '}
          <Anchor component={Link} size="sm" to={paths.model(project, model)}>
            list of versions
          </Anchor>
          .
        </Empty>
      </div>
    );
  const sections: { name: string; rows: Row[]; bars?: boolean }[] = [
    {
      name: 'Metrics',
      bars: true,
      rows: rowsOf(versions.map((each) => pairs(each.metrics, (m) => m.value ?? m.text))),
    },
    { name: 'Params', rows: rowsOf(versions.map((each) => pairs(each.params, (p) => p.value))) },
    { name: 'Labels', rows: rowsOf(versions.map((each) => pairs(each.labels, (l) => l.value))) },
    {
      name: 'Requirements',
      rows: rowsOf(versions.map((each) => new Map((each.requirements ?? []).map(parseRequirement)))),
    },
    { name: 'Signature', rows: rowsOf(versions.map((each) => columnsOf(each.signature))) },
    {
      name: 'Tags',
      rows: rowsOf(
        versions.map((each) =>
          pairs(
            each.tags.filter((t) => !/^(mlflow|merlin)\./.test(t.key)),
            (t) => t.value,
          ),
        ),
      ),
    },
  ];
  return (
    <Stack gap="sm">
      <Group justify="space-between">
        <Text size="sm" c="dimmed">
          {missing.length > 0 ? `${thereIsNo(missing)}.` : 'What differs stands first and is marked with ≠.'}
        </Text>
        <Switch
          label="Only differences"
          checked={onlyDifferent}
          onChange={(event) =>
            address.set({ only: event.currentTarget.checked ? 'different' : null }, { replace: true })
          }
        />
      </Group>
      <Box className="panel">
        <Table.ScrollContainer className="comparison" minWidth={200 + versions.length * 180} type="native">
          <Table aria-label="Comparison" layout="fixed" highlightOnHover stickyHeader>
            <Table.Thead>
              <Table.Tr>
                <Table.Th w={220}>{''}</Table.Th>
                {versions.map((version) => (
                  <Table.Th key={version.id} style={{ verticalAlign: 'top' }}>
                    <Head project={project} model={model} version={version} several={several} />
                  </Table.Th>
                ))}
              </Table.Tr>
            </Table.Thead>
            {sections.map((section) => (
              <Section key={section.name} {...section} count={versions.length} onlyDifferent={onlyDifferent} />
            ))}
          </Table>
        </Table.ScrollContainer>
      </Box>
    </Stack>
  );
}

const listed = new Intl.ListFormat('en', { type: 'conjunction' });

/** 98 and 99 → "There are no versions 98 and 99". */
function thereIsNo(missing: number[]): string {
  const numbers = listed.format(missing.map(String));
  return missing.length === 1 ? `There is no version ${numbers}` : `There are no versions ${numbers}`;
}

function Head(props: { project: string; model: string; version: Version; several: boolean }) {
  const { project, model, version, several } = props;
  return (
    <Stack gap={4}>
      <Anchor component={Link} fw={650} to={paths.version(project, model, version.number)}>
        Version {version.number}
      </Anchor>
      <Text size="xs" fw={400}>
        {version.run?.name} · <When at={version.createdAt} />
      </Text>
      <Group gap={8}>
        {version.aliases.map((alias) => (
          <Chip key={alias} alias text={alias} />
        ))}
        {byEnvironment(version.endpoints.nodes).map((endpoint) => (
          <EndpointBadge
            key={endpoint.id}
            endpoint={endpoint}
            where={several ? endpoint.environment.name : undefined}
          />
        ))}
      </Group>
    </Stack>
  );
}

function Section(props: { name: string; rows: Row[]; count: number; bars?: boolean; onlyDifferent: boolean }) {
  const rows = props.onlyDifferent ? props.rows.filter((row) => row.differs) : props.rows;
  if (props.rows.length === 0) return null;
  const different = props.rows.filter((row) => row.differs).length;
  return (
    <Table.Tbody>
      <Table.Tr>
        <Table.Th colSpan={props.count + 1} scope="rowgroup" pt="md">
          {props.name}{' '}
          <Text span size="xs" fw={400}>
            {different === 0 ? 'all the same' : `${different} of ${props.rows.length} differ`}
          </Text>
        </Table.Th>
      </Table.Tr>
      {rows.map((row) => (
        <Compared key={row.key} row={row} bars={props.bars} />
      ))}
    </Table.Tbody>
  );
}

function Compared({ row, bars }: { row: Row; bars?: boolean }) {
  const more = moreDigitsFor(row.values.filter((each) => typeof each === 'number'));
  const line = lineOf(row.values);
  return (
    <Table.Tr>
      <Table.Td style={{ verticalAlign: 'top' }}>
        <Group gap={6} wrap="nowrap" align="flex-start">
          <Text span size="sm" w={12} c="var(--merlin-warn)">
            <span aria-hidden>{row.differs ? '≠' : ''}</span>
            {row.differs && <span className="unseen">differs:</span>}
          </Text>
          <div>
            <Text size="sm" style={{ overflowWrap: 'anywhere' }}>
              {row.key}
            </Text>
            {bars && line.cut && (
              <Text size="xs" c="dimmed">
                drawn from {figure(line.least, '', more)} to {figure(line.greatest, '', more)}, not from 0
              </Text>
            )}
          </div>
        </Group>
      </Table.Td>
      {row.values.map((value, index) => (
        <Table.Td key={index} style={{ verticalAlign: 'top' }}>
          {bars ? <Bar {...{ value, line, more }} /> : <Value value={value} />}
        </Table.Td>
      ))}
    </Table.Tr>
  );
}

function Value({ value }: { value: string | number | undefined }): ReactNode {
  if (value === undefined)
    return (
      <Text size="sm" c="dimmed">
        –
      </Text>
    );
  return (
    <Text size="sm" style={{ overflowWrap: 'anywhere' }} lineClamp={6} title={String(value)}>
      {value === '' ? '(empty)' : value}
    </Text>
  );
}

/** Lengths, or places where lengths would look equal, compare the values of one metric; nothing says which is better. */
function Bar({ value, line, more }: { value: string | number | undefined; line: Line; more: number }) {
  if (typeof value !== 'number') return <Value value={value} />;
  const { start, length, zero } = stretchOf(value, line);
  return (
    <Group gap="xs">
      <Text size="sm" className="numbers" miw={84} ta="right" title={String(value)}>
        {figure(value, '', more)}
      </Text>
      <div className="bar" style={{ flex: 1 }} aria-hidden>
        {line.cut ? (
          <div className="place" style={{ left: `${start}%` }} />
        ) : (
          <div className="length" style={{ left: `${start}%`, width: `${length}%` }} />
        )}
        {zero > 0 && <div className="zero" style={{ left: `${zero}%` }} />}
      </div>
    </Group>
  );
}

function pairs<T extends { key: string }>(
  list: T[],
  value: (each: T) => string | number,
): Map<string, string | number> {
  return new Map(list.map((each) => [each.key, value(each)]));
}

/** A signature's columns and tensors: `input sepal length` → `double`. */
function columnsOf(signature: unknown): Map<string, string> {
  const found = new Map<string, string>();
  for (const [side, columns] of Object.entries((signature ?? {}) as Record<string, unknown>)) {
    const list = typeof columns === 'string' ? safeParse(columns) : columns;
    if (!Array.isArray(list)) {
      if (list !== null && list !== undefined) found.set(side, JSON.stringify(list));
      continue;
    }
    list.forEach((column: Record<string, unknown>, index) => {
      const tensor = column['tensor-spec'] as { dtype?: string; shape?: unknown } | undefined;
      const type = tensor
        ? `${tensor.dtype} ${JSON.stringify(tensor.shape)}`
        : String(column.type ?? JSON.stringify(column));
      found.set(`${side} ${String(column.name ?? index)}`, column.required === false ? `${type}, optional` : type);
    });
  }
  return found;
}

function safeParse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
