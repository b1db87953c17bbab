// In the page, for both runners: a number for the document, if nothing can change it any more; otherwise null.
document.readyState === 'complete' && document.scripts.length === 0 && opener === null
  && !document.querySelector('iframe, frame, object, embed, animate, set, animateTransform, animateMotion')
  && !document.querySelector('meta[http-equiv=refresh i], [href^="javascript:" i]')
  && document.evaluate('count(//@*[starts-with(name(), "on")])', document, null, 1, null).numberValue === 0
  && document.getAnimations().length === 0 ? performance.timeOrigin : null
