/** Style sheets come into the widget's bundle as texts. */
declare module '*.css' {
  const text: string;
  export default text;
}
