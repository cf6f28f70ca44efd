import { Anchor } from '@mantine/core';
import { Link } from 'react-router';
import { useSession } from '@/session/gate';
import { Empty } from './empty';
import { Page, type Way } from './page';

/**
 * For a thing that does not exist, or that the caller may not see (the API does not tell which). `sure` when it is the
 * former: one sees what it would be part of.
 */
export function Missing({ what, way, sure = false }: { what: string; way: Way; sure?: boolean }) {
  const { me } = useSession();
  const isNone = sure || me.isAdministrator;
  // Of what may itself not be there only the first is certain.
  const back = sure ? way[way.length - 1] : way[0];
  return (
    <Page title="Not found" way={way}>
      <div className="panel">
        <Empty title={isNone ? `There is no ${what}` : `There is no ${what}, or you may not see it`}>
          {isNone
            ? 'It may have been deleted, or its address is mistyped.'
            : 'If it is there, an administrator of its project can make you a member.'}{' '}
          {back && (
            <Anchor component={Link} to={back.to} size="sm">
              Back to {back.name}
            </Anchor>
          )}
        </Empty>
      </div>
    </Page>
  );
}
