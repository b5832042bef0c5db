/**
 * A box that scrolls sideways shows where there is more: a shadow lies at an edge as long as something is hidden beyond it. Two covers of paper
 * move with the content and hide the shadows at its ends. Pages say `--paper` and `--edge`.
 */
export const SCROLL_STYLE = `
.scroll{overflow-x:auto;background-color:var(--paper);background-image:linear-gradient(to right,var(--paper) 50%,transparent),linear-gradient(to left,var(--paper) 50%,transparent),linear-gradient(to right,var(--edge),transparent),linear-gradient(to left,var(--edge),transparent);background-position:0 0,100% 0,0 0,100% 0;background-size:3.5rem 100%,3.5rem 100%,1.1rem 100%,1.1rem 100%;background-repeat:no-repeat;background-attachment:local,local,scroll,scroll}
.scroll:focus-visible{outline:2px solid var(--edge)}
@media print{.scroll{overflow:visible;background:none}}
`;
