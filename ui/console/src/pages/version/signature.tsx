import { SimpleGrid, Stack, Table, Text, Title } from '@mantine/core';
import { None } from '@/parts/panel';
import { columnsOf, type Column } from './columns';

export function Signature({ signature }: { signature: unknown }) {
  const parts = (signature ?? {}) as { inputs?: unknown; outputs?: unknown; params?: unknown };
  const inputs = columnsOf(parts.inputs);
  const outputs = columnsOf(parts.outputs);
  const params = columnsOf(parts.params);
  if (inputs.length + outputs.length + params.length === 0)
    return <None>None was logged: Merlin cannot say what the model takes, and does not check it.</None>;
  return (
    <SimpleGrid cols={{ base: 1, sm: params.length > 0 ? 3 : 2 }}>
      <Columns title="Inputs" columns={inputs} />
      <Columns title="Outputs" columns={outputs} />
      {params.length > 0 && <Columns title="Params" columns={params} />}
    </SimpleGrid>
  );
}

function Columns({ title, columns }: { title: string; columns: Column[] }) {
  return (
    <Stack gap={4} style={{ maxHeight: 400, overflowY: 'auto' }} tabIndex={columns.length > 8 ? 0 : undefined}>
      <Title order={3} size="sm">
        {title}
      </Title>
      {columns.length === 0 && <None>Not said.</None>}
      {columns.length > 0 && (
        <Table aria-label={title} verticalSpacing={4}>
          <Table.Tbody>
            {columns.map((column) => (
              <Table.Tr key={column.name}>
                <Table.Td>{column.name}</Table.Td>
                <Table.Td className="mono">{column.type}</Table.Td>
                <Table.Td>
                  <Text size="xs" c="dimmed">
                    {column.required ? '' : 'optional'}
                  </Text>
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      )}
    </Stack>
  );
}
