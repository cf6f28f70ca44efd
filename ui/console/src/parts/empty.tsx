import { Center, Stack, Text } from '@mantine/core';
import type { ReactNode } from 'react';

/** Nothing is here, why, and what to do. */
export function Empty({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <Center py="xl" px="md">
      <Stack gap={6} align="center" maw={560} ta="center">
        <Text fw={600}>{title}</Text>
        {children && (
          <Text size="sm" c="dimmed" component="div" className="prose">
            {children}
          </Text>
        )}
      </Stack>
    </Center>
  );
}
