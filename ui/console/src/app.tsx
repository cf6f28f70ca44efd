// Everything that stands around the pages, from the outside in: looks, session, data, addresses.
import { MantineProvider } from '@mantine/core';
import { setNonce } from 'get-nonce';
import { RouterProvider } from 'react-router/dom';
import { router } from './routes';
import { SessionGate } from './session/gate';
import { Notices } from './shell/notices';
import { theme, variables } from './theme';

const nonce = () => document.querySelector<HTMLMetaElement>('meta[property="csp-nonce"]')?.nonce ?? '';

// What a dialog does to the page behind it is a style element too; its library takes the nonce from here.
setNonce(nonce());

export function App() {
  return (
    <MantineProvider theme={theme} cssVariablesResolver={variables} defaultColorScheme="auto" getStyleNonce={nonce}>
      <Notices />
      <SessionGate>
        <RouterProvider router={router} />
      </SessionGate>
    </MantineProvider>
  );
}
