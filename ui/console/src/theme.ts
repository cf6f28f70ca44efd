// Colours and sizes. Every text reaches WCAG AA (4.5:1) on its ground, in light and in dark.
import { createTheme, type CSSVariablesResolver } from '@mantine/core';

export const theme = createTheme({
  primaryColor: 'indigo',
  primaryShade: { light: 8, dark: 8 },
  defaultRadius: 'sm',
  cursorType: 'pointer',
  fontFamily: 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", sans-serif',
  fontFamilyMonospace: 'ui-monospace, "SF Mono", Menlo, Consolas, "Liberation Mono", monospace',
  headings: { fontWeight: '650', sizes: { h1: { fontSize: '1.5rem' }, h2: { fontSize: '1.125rem' } } },
  components: {
    Tooltip: { defaultProps: { openDelay: 300, withArrow: true } },
    Modal: {
      defaultProps: { centered: true, transitionProps: { duration: 120 }, closeButtonProps: { 'aria-label': 'Close' } },
    },
    Table: { defaultProps: { verticalSpacing: 8, horizontalSpacing: 'sm' } },
  },
});

const ink = ['blue', 'indigo', 'green', 'teal', 'orange', 'yellow', 'red', 'grape', 'gray'];

export const variables: CSSVariablesResolver = () => ({
  variables: {},
  light: {
    '--mantine-color-text': '#1b2025',
    '--mantine-color-dimmed': '#566069',
    '--mantine-color-placeholder': '#68727b',
    '--mantine-color-error': '#b3261e',
    '--mantine-color-anchor': '#3b5bdb',
    '--merlin-ground': '#f7f8fa',
    '--merlin-good': '#1f7a37',
    '--merlin-busy': '#1864ab',
    '--merlin-warn': '#a35200',
    '--merlin-bad': '#c92a2a',
    '--merlin-off': '#68727b',
    ...Object.fromEntries(ink.map((name) => [`--mantine-color-${name}-light-color`, `var(--mantine-color-${name}-9)`])),
    '--mantine-color-yellow-light-color': '#7a4f00',
    '--mantine-color-orange-light-color': '#8f3d00',
    '--mantine-color-green-light-color': '#1f6b31',
    '--mantine-color-teal-light-color': '#066649',
  },
  dark: {
    '--mantine-color-text': '#d5d9dd',
    '--mantine-color-dimmed': '#a9b0b7',
    '--mantine-color-placeholder': '#9aa2aa',
    '--mantine-color-error': '#ff8787',
    '--mantine-color-anchor': '#91a7ff',
    '--mantine-color-body': '#17191c',
    '--merlin-ground': '#111316',
    '--merlin-good': '#69db7c',
    '--merlin-busy': '#74c0fc',
    '--merlin-warn': '#ffc078',
    '--merlin-bad': '#ff8787',
    '--merlin-off': '#9aa2aa',
    ...Object.fromEntries(ink.map((name) => [`--mantine-color-${name}-light-color`, `var(--mantine-color-${name}-3)`])),
  },
});
