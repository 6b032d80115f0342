/** The number beside the pointer. */
import { find } from './elements.js';

export function showTooltip(text: string, at: { clientX: number; clientY: number }): void {
  const tooltip = find('tooltip', HTMLDivElement);
  tooltip.textContent = text;
  tooltip.hidden = false;
  const { width, height } = tooltip.getBoundingClientRect();
  const left = Math.min(at.clientX + 14, innerWidth - width - 8);
  const below = at.clientY + 18;
  const top = below + height < innerHeight - 8 ? below : at.clientY - height - 12;
  tooltip.style.transform = `translate(${left}px, ${top}px)`;
}

export function hideTooltip(): void {
  find('tooltip', HTMLDivElement).hidden = true;
}
