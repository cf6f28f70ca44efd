import { Anchor } from '@mantine/core';
import { Link, useLocation } from 'react-router';
import { Empty } from '@/parts/empty';
import { Page } from '@/parts/page';
import { paths } from '@/paths';

/** For an address that is none. */
export default function Nowhere() {
  const { pathname } = useLocation();
  return (
    <Page title="There is no such page">
      <div className="panel">
        <Empty title={pathname}>
          The address may be mistyped, or the thing is gone.{' '}
          <Anchor component={Link} to={paths.home()} size="sm">
            See all projects
          </Anchor>
        </Empty>
      </div>
    </Page>
  );
}
