// Metrics, params, tags: names and values, to be looked through when there are many.
import { Table, Text, TextInput } from '@mantine/core';
import { useState, type ReactNode } from 'react';
import { None } from '@/parts/panel';
import { Figure } from '@/parts/quantity';
import { When } from '@/parts/when';
import type { Version } from './version';

const MANY = 12;

function useSought<Row extends { key: string }>(rows: Row[], label: string): [Row[], ReactNode] {
  const [sought, setSought] = useState('');
  if (rows.length <= MANY) return [rows, null];
  const found = rows.filter((row) => row.key.toLowerCase().includes(sought.trim().toLowerCase()));
  const field = (
    <TextInput
      size="xs"
      aria-label={`Search ${label.toLowerCase()}`}
      placeholder={`Search ${rows.length} ${label.toLowerCase()}`}
      value={sought}
      onChange={(event) => setSought(event.currentTarget.value)}
    />
  );
  return [found, field];
}

const tall = { maxHeight: 360, overflowY: 'auto' } as const;

export function Metrics({ metrics }: { metrics: Version['metrics'] }) {
  const [rows, field] = useSought(metrics, 'Metrics');
  if (metrics.length === 0) return <None>No metric was logged.</None>;
  return (
    <>
      {field}
      <div style={tall} tabIndex={rows.length > MANY ? 0 : undefined}>
        <Table aria-label="Metrics" verticalSpacing={4}>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>Name</Table.Th>
              <Table.Th className="number">Value</Table.Th>
              <Table.Th className="number">Step</Table.Th>
              <Table.Th className="number">Logged</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {rows.map((metric) => (
              <Table.Tr key={metric.key}>
                <Table.Td>
                  <div className="giving">{metric.key}</div>
                </Table.Td>
                <Table.Td className="number">
                  <Figure value={metric.value} text={metric.text} />
                </Table.Td>
                <Table.Td className="number">{metric.step}</Table.Td>
                <Table.Td className="number">
                  <When at={metric.at} />
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </div>
    </>
  );
}

export function Pairs(props: { pairs: { key: string; value: string }[]; label: string; none: string }) {
  const [rows, field] = useSought(props.pairs, props.label);
  if (props.pairs.length === 0) return <None>{props.none}</None>;
  return (
    <>
      {field}
      <div style={tall} tabIndex={rows.length > MANY ? 0 : undefined}>
        <Table aria-label={props.label} verticalSpacing={4} layout="fixed">
          <Table.Thead>
            <Table.Tr>
              <Table.Th w="45%">Name</Table.Th>
              <Table.Th>Value</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {rows.map(({ key, value }) => (
              <Table.Tr key={key}>
                <Table.Td style={{ overflowWrap: 'anywhere' }}>{key}</Table.Td>
                <Table.Td style={{ overflowWrap: 'anywhere' }}>
                  <Text size="sm" lineClamp={4} title={value}>
                    {value}
                  </Text>
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </div>
    </>
  );
}
