// The head of a page: the way to it, its name, what can be done.
import { Anchor, Breadcrumbs, Group, Stack, Title } from '@mantine/core';
import { useEffect, useRef, type ReactNode } from 'react';
import { Link } from 'react-router';
import { useFocusThatStays } from './focus-stays';

export type Way = { name: string; to: string }[];

export function Page(props: {
  title: string;
  /** Beside the title: a badge, for example. */
  beside?: ReactNode;
  way?: Way;
  acts?: ReactNode;
  children: ReactNode;
}) {
  const { title, way = [] } = props;
  useEffect(() => {
    document.title = [title, ...way.map((step) => step.name).reverse(), 'Merlin'].join(' · ');
  });
  // An act that is done takes its button away.
  const heading = useRef<HTMLHeadingElement>(null);
  const focus = useFocusThatStays<HTMLDivElement>(() => heading.current);
  return (
    <Stack gap="md">
      <div>
        {way.length > 0 && (
          <nav aria-label="Breadcrumb">
            <Breadcrumbs separatorMargin={6} mb={4}>
              {way.map((step) => (
                <Anchor key={step.to} component={Link} to={step.to} size="sm">
                  {step.name}
                </Anchor>
              ))}
            </Breadcrumbs>
          </nav>
        )}
        <Group justify="space-between" align="center" gap="sm">
          <Group gap="sm" align="center">
            <Title order={1} ref={heading} tabIndex={-1}>
              {title}
            </Title>
            {props.beside}
          </Group>
          <Group gap="xs" {...focus}>
            {props.acts}
          </Group>
        </Group>
      </div>
      {props.children}
    </Stack>
  );
}
