import { Anchor } from '@mantine/core';
import { Link } from 'react-router';
import type { EndpointLineFragment } from '@/graphql/generated';
import { paths } from '@/paths';

/** Where a version of some model is deployed, by its whole name. */
export function EndpointLink({ endpoint: { version, environment } }: { endpoint: EndpointLineFragment }) {
  const { number, model } = version;
  return (
    <Anchor component={Link} size="sm" to={paths.endpoint(model.project.name, model.name, number, environment.name)}>
      {model.project.name}/{model.name} version {number}
    </Anchor>
  );
}
