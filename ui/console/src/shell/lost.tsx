// When a page itself fails: say so, and offer a way on. After an update the old page's files are gone: load it anew.
import { Alert, Button, Group, Stack, Text } from '@mantine/core';
import { useEffect, useState } from 'react';
import { Link, useRouteError } from 'react-router';
import { paths } from '@/paths';
import { isGone, untilAnswered } from './chunks';
import { Loading } from './loading';

const KEY = 'merlin.reloaded';

export function Lost() {
  const error = useRouteError();
  const message = error instanceof Error ? error.message : 'Something unexpected happened.';
  const gone = isGone(error);
  // Once for each file, so that one that is missing for ever is said.
  const [again] = useState(() => gone && sessionStorage.getItem(KEY) !== message);
  useEffect(() => {
    if (!again) return;
    let left = false;
    void untilAnswered().then(() => {
      if (left) return;
      sessionStorage.setItem(KEY, message);
      location.reload();
    });
    return () => {
      left = true;
    };
  }, [again, message]);
  if (again) return <Loading />;
  return (
    <Alert color="red" title="This page cannot be shown" role="alert">
      <Stack gap="sm">
        <Text size="sm">{gone ? 'A file of it is missing on the server. It may be being updated.' : message}</Text>
        <Group>
          <Button size="xs" onClick={() => location.reload()}>
            Load again
          </Button>
          <Button size="xs" variant="default" component={Link} to={paths.home()}>
            Home
          </Button>
        </Group>
      </Stack>
    </Alert>
  );
}
