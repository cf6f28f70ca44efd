// What changes, field by field: what it was, what it becomes; said in signs as well as in colours.
import { Table, Text } from '@mantine/core';
import { value } from './value';

export type FieldChange = { path: string; before: unknown; after: unknown };

export function Changes({ changes, label }: { changes: FieldChange[]; label: string }) {
  if (changes.length === 0)
    return (
      <Text size="sm" c="dimmed">
        Nothing differs.
      </Text>
    );
  return (
    <Table.ScrollContainer minWidth={420} type="native">
      <Table aria-label={label} verticalSpacing={4} layout="fixed">
        <Table.Thead>
          <Table.Tr>
            <Table.Th w="40%">Field</Table.Th>
            <Table.Th>Before</Table.Th>
            <Table.Th>After</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {changes.map((change) => (
            <Table.Tr key={change.path}>
              <Table.Td className="mono" style={{ overflowWrap: 'anywhere' }}>
                {change.path}
              </Table.Td>
              <Side sign="−" of={change.before} />
              <Side sign="+" of={change.after} />
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}

function Side({ sign, of }: { sign: '+' | '−'; of: unknown }) {
  if (of === null || of === undefined)
    return (
      <Table.Td>
        <Text size="sm" c="dimmed" span>
          not set
        </Text>
      </Table.Td>
    );
  const color = sign === '+' ? 'var(--merlin-good)' : 'var(--merlin-bad)';
  return (
    <Table.Td className="mono" style={{ overflowWrap: 'anywhere', whiteSpace: 'pre-wrap' }}>
      <span style={{ color }}>{sign} </span>
      {value(of)}
    </Table.Td>
  );
}
