document.title = "The single page";
