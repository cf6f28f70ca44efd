import { Group, Stack, Text, Title } from '@mantine/core';
import type { ReactNode } from 'react';

/** One titled part of a page. */
export function Panel({ title, children, beside }: { title: string; children: ReactNode; beside?: ReactNode }) {
  return (
    <Stack className="panel" p="md" gap="sm" component="section" aria-label={title} miw={0}>
      <Group justify="space-between">
        <Title order={2}>{title}</Title>
        {beside}
      </Group>
      {children}
    </Stack>
  );
}

/** In place of what is not there: that it is not, and why. */
export function None({ children }: { children: ReactNode }) {
  return (
    <Text size="sm" c="dimmed">
      {children}
    </Text>
  );
}
