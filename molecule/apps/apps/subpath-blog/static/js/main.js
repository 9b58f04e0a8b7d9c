function order() {
    window.document.location = appDomain + "/order";
}
