extern int martlet_placeholder;
